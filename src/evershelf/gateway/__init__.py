"""The only public API and the reliability boundary."""
