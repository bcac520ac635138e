"""The Gradio page: `python demo/app.py`. Nothing imports it."""
