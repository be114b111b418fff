"""The production gateway in a simulated world: virtual time, seeded faults, checked promises."""
