"""Simulation: the whole daemon in one thread, from one seed, under virtual time.

Enters: a seed. Stays out: sockets, threads, the machine's clock and dice.
"""
