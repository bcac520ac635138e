"""The words of the page that more than one of its parts needs."""

NO_TEXT_MODEL = "Words need a text model, which this version does not bring; use a box, clicks or a scribble instead."
