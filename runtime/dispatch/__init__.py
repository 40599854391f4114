"""Dispatch: who gives actors a thread to run on. One port, three ways: threaded, pooled, deterministic."""
