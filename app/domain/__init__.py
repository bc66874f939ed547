"""Pure rules: no IO, no framework, no clock, no random numbers. `now` and ids are arguments."""
