"""What a person reads: tables now, figures and pages later. Needs no torch."""
