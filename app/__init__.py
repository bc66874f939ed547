"""Baton: leads handed from an outsourced sales partner to the in-house team, never ownerless, never silent."""
