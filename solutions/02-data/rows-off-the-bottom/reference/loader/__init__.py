"""Loads the laboratories' deliveries and publishes them for the tracers and the dashboard."""
