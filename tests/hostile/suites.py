"""Suite files that somebody might send: each must be refused in one line. Name -> content."""

from __future__ import annotations

GOOD = """\
name = "tiny"
seeds = 2
targets = ["ring8"]
objectives = ["minimax"]
baselines = ["oracle"]
network = "mlp[width=8,depth=1]"
[budget]
currency = "iterations"
amount = 4
[training]
batch = 32
[execution]
compiled = false
width = 2
[evaluation]
times = 2
samples = 32
final_samples = 32
metrics = ["w1"]
rank_by = "w1"
"""


def with_line(line: str, other: str) -> bytes:
    assert line in GOOD
    return GOOD.replace(line, other, 1).encode()


NAMES = {
    "a path upwards": "../up",
    "an absolute path": "/etc/cron.d/x",
    "a path": "a/b",
    "a path of Windows": "..\\\\up",
    "dots": "..",
    "a dot": ".hidden",
    "nothing": "",
    "a space": "a b",
    "a line": "a\\nb",
    "a NUL": "a\\u0000b",
    "an escape": "\\u001b[31mred",
    "a letter from right to left": "\\u202egnp",
    "a capital": "Tiny",
    "an option": "-rf",
    "a tilde": "~root",
    "a variable": "$HOME",
    "101 letters": "a" * 101,
    "an element": "<script>alert(1)</script>",
    "a formula": "=cmd()",
    "a percent sign": "%2e%2e",
    "another alphabet": "tіny",
}
NUMBERS = {
    "thousands of digits": "9" * 5000,
    "beyond a float": "1e400",
    "a negative one": "-1",
    "nan": "nan",
    "inf": "inf",
    "minus inf": "-inf",
    "a text": '"4"',
    "a list": "[4]",
    "a table": "{ a = 4 }",
    "a date": "1979-05-27",
    "true": "true",
    "beyond the largest": "1e300",
    "a hundred digits": "1" * 100,
    "hexadecimal of many digits": "0x" + "f" * 100,
}
MANY = str(list(range(1, 200))).replace(" ", "")
SPECS = {
    "no such name": "minimx",
    "a path upwards": "../../etc/passwd",
    "a module": "os.system",
    "a file that is not there": "no/such.py:Mine",
    "a file of the system": "/etc/passwd.py:Mine",
    "a file with a NUL": "a\\u0000.py:Mine",
    "a file with a name of 5,000 letters": "a" * 5000 + ".py:Mine",
    "open brackets": "minimax[",
    "ten thousand brackets": "minimax" + "[" * 10_000,
    "an unknown field": "minimax[__class__=1]",
    "code": "minimax[d_steps=__import__('os')]",
    "a huge number": "minimax[d_steps=" + "9" * 3000 + "]",
    "no number": "minimax[lr_d=nan]",
    "a grid of billions": "minimax["
    + ",".join(f"{f}=[{','.join(map(str, range(1, 200)))}]" for f in ("d_steps", "g_steps", "packing"))
    + "]",
    "an escape": "\\u001b]0;title\\u0007",
    "a mark": "<img src=x onerror=alert(1)>",
    "itself twice": "minimax + r1 + r1",
    "an unknown regulariser": "minimax + __init__",
    "nothing": "",
    "a field twice": "minimax[d_steps=1,d_steps=2]",
}
SPECS_OF_TARGETS = {
    "a file that is not there": "images[path='/no/such.npz']",
    "a device": "images[path='/dev/zero']",
    "a folder": "images[path='/proc/self/fd']",
    "a NUL": "images[path='\\u0000']",
    "a path of 5,000 letters": f"images[path='{'a' * 5000}']",
    "no path": "images",
    "a negative size": "ring8[radius=-1]",
    "an infinite one": "ring8[sd=inf]",
    "a huge grid": "ring8[radius=[" + ",".join(str(i) for i in range(1, 3000)) + "]]",
}
SEEDS = {
    "a billion": "1000000000",
    "a range of billions": '"0:999999999999"',
    "a range backwards": '"5:1"',
    "a negative one": "[-1]",
    "two alike": "[3, 3]",
    "a huge one": "[99999999999999999999]",
    "a boolean": "[true]",
    "a list of lists": "[[0]]",
    "none": "0",
    "digits of another alphabet": '"٠:٨"',
}
WHOLE: dict[str, bytes] = {
    "no bytes at all": b"",
    "bytes that are not UTF-8": GOOD.encode() + b'summary = "\xff\xfe"',
    "UTF-16": GOOD.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "NUL bytes": b"\x00" * 100,
    "a pickle": b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "a zip file": b"PK\x03\x04" + bytes(60),
    "JSON": b'{"name": "tiny", "seeds": 2}',
    "YAML": b"!!python/object/apply:os.system ['true']",
    "two mebibytes": b"#" * 2**21,
    "a mebibyte of brackets": b"a = " + b"[" * (2**20 - 10),
    "a hundred thousand tables": b"a = " + b"{a=" * 100_000,
    "a dotted key of a mebibyte": b"a" + b".a" * 400_000 + b" = 1",
    "a thousand dots in a header": b"[" + b".".join([b"a"] * 1000) + b"]",
    "a key twice": GOOD.encode().replace(b"seeds = 2", b"seeds = 2\nseeds = 3"),
    "a table twice": GOOD.encode() + b"[budget]\namount = 1\n",
    "a key that is a table too": GOOD.encode() + b"[seeds]\na = 1\n",
    "an unknown key": b'command = "rm"\n' + GOOD.encode(),
    "an unknown table": GOOD.encode() + b"[hooks]\nrun = 1\n",
    "a newer schema": b"schema = 99\n" + GOOD.encode(),
    "an import": b'import = "other.toml"\n' + GOOD.encode(),
    "a key of ten thousand letters": b"a" * 10_000 + b" = 1\n" + GOOD.encode(),
    "a key with an escape": b'"\\u001b[31m" = 1\n' + GOOD.encode(),
    "a control character": GOOD.encode().replace(b'"tiny"', b'"ti\x07ny"'),
    "a line without its end": GOOD.encode() + b'weights = "',
    "a name that is a list": GOOD.encode().replace(b'"tiny"', b'["tiny"]'),
    "a default of an unknown objective": GOOD.encode() + b'[defaults."../x"]\nlr_d = 1\n',
    "a default that is a table": GOOD.encode() + b"[defaults.minimax]\nlr_d = { a = 1 }\n",
    "a search over code": GOOD.encode() + b'[search.minimax]\nlr_d = "eval(1)"\n',
    "a level for an unknown target": GOOD.encode() + b"[evaluation.reached]\n'../x' = 1\n",
    "weights from a device": GOOD.encode() + b'extractor = "inception-v3-compat"\nweights = "/dev/zero"\n',
    "a metric that is code": GOOD.encode().replace(b'["w1"]', b'["os:system"]'),
    "a metric twice": GOOD.encode().replace(b'["w1"]', b'["w1", "w1"]'),
    "ten thousand objectives": GOOD.encode().replace(b'["minimax"]', b"[" + b'"minimax",' * 10_000 + b"]"),
    "inline tables of many kinds": b"name = {a={b={c={d={e={f=1}}}}}}\n",
    "a multi-line text without end": b'name = """' + b"a\n" * 1000,
    "a time of day": GOOD.encode().replace(b"amount = 4", b"amount = 07:32:00"),
    "an escape that is none": GOOD.encode().replace(b'"tiny"', b'"\\x41"'),
    "half a surrogate": GOOD.encode().replace(b'"tiny"', b'"\\ud800"'),
    "a carriage return alone": GOOD.encode().replace(b"\n", b"\r"),
}
SUITES: dict[str, bytes] = {
    **{f"name: {what}": with_line('"tiny"', f'"{text}"') for what, text in NAMES.items()},
    **{f"amount: {what}": with_line("amount = 4", f"amount = {text}") for what, text in NUMBERS.items()},
    **{f"batch: {what}": with_line("batch = 32", f"batch = {text}") for what, text in NUMBERS.items()},
    **{f"objective: {what}": with_line('"minimax"', f'"{text}"') for what, text in SPECS.items()},
    **{f"target: {what}": with_line('"ring8"', f'"{text}"') for what, text in SPECS_OF_TARGETS.items()},
    **{f"seeds: {what}": with_line("seeds = 2", f"seeds = {text}") for what, text in SEEDS.items()},
    **WHOLE,
}
