"""The same work as JAX people write it: jit(vmap(scan)) over replicas, optax's Adam, draws from jax.random inside.

Settings: `prng` is "threefry2x32", JAX's default, or "rbg"; `joined` lets the discriminator see real and generated
samples in one pass.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from suites.peers.work import (
    D_STEPS,
    DATA,
    EPS,
    LATENT,
    MODES,
    PENALTY,
    RADIUS,
    SD,
    SLOPE,
    Runner,
    Work,
    dropped_in,
    initial_weights,
)

SCANNED = {64: 32, 128: 16}
"""Iterations of one scan by hidden width; 1 elsewhere on a CPU, where an iteration of an ensemble takes seconds."""


def prepare(work: Work, setting: dict[str, Any]) -> None:
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if work.precision == "tf32" else "highest")
    jax.config.update("jax_default_prng_impl", setting.get("prng", "threefry2x32"))
    jax.config.update("jax_enable_x64", work.precision == "fp64")


def network(params: list[Any], v: Any) -> Any:
    """Layers are (weights (inputs, outputs), biases)."""
    for w, b in params[:-1]:
        v = jax.nn.relu(v @ w + b)
    w, b = params[-1]
    return v @ w + b


def norm(v: Any) -> Any:
    return jnp.sqrt(jnp.square(v).sum(1) + EPS)


def judged(D: Any, x: Any, fake: Any, joined: bool) -> Any:
    """Scores of real and of generated samples."""
    if joined:
        return jnp.split(network(D, jnp.concatenate([x, fake])), 2)
    return network(D, x), network(D, fake)


def d_loss(work: Work, D: Any, G: Any, b: dict[str, Any], joined: bool = False) -> Any:
    fake = network(G, b["z"])

    def penalty(score: Any) -> Any:
        u = b["u"][:, None]
        slopes = jax.grad(lambda v: score(v).sum())(u * b["x"] + (1 - u) * fake)
        return PENALTY * jnp.square(norm(slopes) - SLOPE).mean()

    match work.objective:
        case "non-saturating" | "em":
            real, made = judged(D, b["x"], fake, joined)
            return -jax.nn.log_sigmoid(real).mean() - jax.nn.log_sigmoid(-made).mean()
        case "wasserstein-gp":
            real, made = judged(D, b["x"], fake, joined)
            return made.mean() - real.mean() + penalty(lambda v: network(D, v)[:, 0])
    anchor = network(D, network(G, b["z2"]))

    def f(h: Any) -> Any:
        return norm(h - anchor) - norm(h)

    real, made = judged(D, b["x"], fake, joined)
    return f(made).mean() - f(real).mean() + penalty(lambda v: f(network(D, v)))


def g_loss(work: Work, G: Any, D: Any, b: dict[str, Any]) -> Any:
    made = network(D, network(G, b["z"]))
    match work.objective:
        case "non-saturating":
            return -jax.nn.log_sigmoid(made).mean()
        case "em":
            return -(b["r"] * jax.nn.log_sigmoid(made[:, 0])).sum()
        case "wasserstein-gp":
            return -made.mean()
    real, other = network(D, b["x"]), network(D, network(G, b["z2"]))
    return (norm(made - real) + norm(other - real) - norm(made - other)).mean()


def weighted(work: Work, state: Any, b: dict[str, Any]) -> dict[str, Any]:
    """The batch with the weights of em's E-step; the batch alone elsewhere."""
    if work.objective != "em":
        return b
    logits = network(state["D"], network(state["G"], b["z"]))[:, 0]
    return {**b, "r": jax.nn.softmax(jax.nn.log_sigmoid(logits))}


def iterate(work: Work, adam: Any, state: Any, steps: list[dict[str, Any]], joined: bool) -> Any:
    """One replica's iteration, with the fields of each of its gradient steps."""
    held = weighted(work, state, steps[0])
    steps = [{**b, "z": held["z"], "r": held["r"]} for b in steps] if work.objective == "em" else steps

    def descended(player: str, loss: Any, other: Any, b: dict[str, Any]) -> None:
        grads = jax.grad(loss, argnums=1)(work, state[player], other, b)
        updates, state[f"adam_{player}"] = adam.update(grads, state[f"adam_{player}"])
        state[player] = optax.apply_updates(state[player], updates)

    state = dict(state)
    for b in steps[:-1]:
        descended("D", partial(d_loss, joined=joined), state["G"], b)
    descended("G", g_loss, state["D"], steps[-1])
    return state


def optimiser(work: Work) -> Any:
    return optax.adam(work.rate, work.beta1, work.beta2, work.adam_eps)


def started(adam: Any, D: Any, G: Any) -> dict[str, Any]:
    return {"D": D, "G": G, "adam_D": adam.init(D), "adam_G": adam.init(G)}


def trajectory(work: Work, setting: dict[str, Any], iterations: int, replicas: int) -> np.ndarray:
    """Losses of D and G on the probe after each iteration (iterations, R, 2), from the data that is dropped in."""
    prepare(work, setting)
    adam, fields, count = optimiser(work), dropped_in(work, iterations, replicas), len(work.schedule)
    joined = setting.get("joined", False)
    each = initial_weights(work, replicas)

    def layers(player: str) -> list[Any]:
        values = [np.stack([weights[player][i] for weights in each]) for i in range(len(each[0][player]))]
        return [(jnp.asarray(w.swapaxes(1, 2)), jnp.asarray(b)) for w, b in zip(values[::2], values[1::2], strict=True)]

    def one(D: Any, G: Any, data: dict[str, Any]) -> Any:
        probe = {name: v[-1] for name, v in data.items()}
        scanned = {name: v[:-1].reshape(iterations, count, *v.shape[1:]) for name, v in data.items()}

        def body(state: Any, stacked: dict[str, Any]) -> Any:
            each = [{name: v[i] for name, v in stacked.items()} for i in range(count)]
            state = iterate(work, adam, state, each, joined)
            b = weighted(work, state, probe)
            return state, jnp.stack([d_loss(work, state["D"], state["G"], b), g_loss(work, state["G"], state["D"], b)])

        return jax.lax.scan(body, started(adam, D, G), scanned)[1]

    data = {name: jnp.asarray(v.swapaxes(0, 1)) for name, v in fields.items()}
    return np.asarray(jax.jit(jax.vmap(one))(layers("D"), layers("G"), data)).swapaxes(0, 1)


def drawn(work: Work, key: Any) -> dict[str, Any]:
    """One replica's fields of a gradient step; what a step does not use the compiler drops."""
    keys, rows = dict(zip(work.draws("D"), jax.random.split(key, 4), strict=False)), work.batch
    angle = 2 * jnp.pi / MODES * jnp.arange(MODES)
    centres = RADIUS * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)

    def x(key: Any) -> Any:
        chosen, noise = jax.random.split(key)
        return centres[jax.random.randint(chosen, (rows,), 0, MODES)] + SD * jax.random.normal(noise, (rows, DATA))

    def z(key: Any) -> Any:
        return jax.random.normal(key, (rows, LATENT))

    laws = {"x": x, "z": z, "z2": z, "u": lambda key: jax.random.uniform(key, (rows,))}
    return {name: laws[name](key) for name, key in keys.items()}


def runner(work: Work, setting: dict[str, Any], replicas: int) -> Runner:
    """All replicas in one scan, compiled and warm."""
    prepare(work, setting)
    adam = optimiser(work)
    chunk = SCANNED.get(work.hidden, 32 if work.device == "cuda" else 1)
    count, joined = D_STEPS[work.objective] + 1, setting.get("joined", False)

    def fresh(key: Any, inputs: int, outputs: int) -> list[Any]:
        sizes = [inputs, *[work.hidden] * work.depth, outputs]
        keys = jax.random.split(key, len(sizes))
        made = []
        for k, a, b in zip(keys, sizes, sizes[1:], strict=False):
            bound = a**-0.5
            made.append((jax.random.uniform(k, (a, b), minval=-bound, maxval=bound), jnp.zeros(b)))
        return made

    def begun(key: Any) -> tuple[Any, Any]:
        d, g, key = jax.random.split(key, 3)
        return started(adam, fresh(d, DATA, work.outputs), fresh(g, LATENT, DATA)), key

    def one(state: Any, key: Any) -> Any:
        def body(carry: Any, _: None) -> Any:
            state, key = carry
            key, *each = jax.random.split(key, count + 1)
            return (iterate(work, adam, state, [drawn(work, k) for k in each], joined), key), None

        return jax.lax.scan(body, (state, key), None, length=chunk)[0]

    scan = jax.jit(jax.vmap(one), donate_argnums=(0, 1))
    carry = jax.block_until_ready(jax.jit(jax.vmap(begun))(jax.random.split(jax.random.key(0), replicas)))

    def run(iterations: int) -> None:
        nonlocal carry
        for _ in range(iterations // chunk):
            carry = scan(*carry)
        jax.block_until_ready(carry)

    run(chunk)
    return Runner(run, replicas, chunk)
