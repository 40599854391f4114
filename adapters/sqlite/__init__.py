"""The store on SQLite: journal, outbox, guards, counters, register, documents and the run epoch in one file.

One connection, owned by the one store actor. Enters: values the codec knows. Stays out: what they mean.
"""
