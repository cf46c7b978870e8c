"""Proposes what a household runs out of next, and plans its deliveries."""
