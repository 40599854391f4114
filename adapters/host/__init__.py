"""The machine Standfast runs on: its state folder, run lock, settings, logs, control socket and service manager."""
