"""The demo: the main job of Baton, played over real HTTP by two vendors and their client. Imports nothing of `app`."""
