"""Closed-form truths of the field as laws, and the check of an objective against those that apply to it."""
