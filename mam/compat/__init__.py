"""Interfaces of other programs, so that what is written for them runs on mam."""
