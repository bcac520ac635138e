"""An image component whose handlers get the uploaded file itself."""

import gradio as gr


class PhotoInput(gr.Image):
    """`gr.Image`, but `mam` opens the file, with its own limits and words.

    Gradio's own `preprocess` would decode it first, and fail on a broken file before a handler could say why. (Gradio
    writes a stub, photo_input.pyi, beside any module that subclasses a component; git ignores it.)
    """

    is_template = True  # the page shows it as the gr.Image that it is

    def preprocess(self, payload):
        """The file's path; Gradio has checked that it is an upload."""
        return None if payload is None else payload.path
