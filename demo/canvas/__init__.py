"""The canvas of the page, a custom Gradio component: start with protocol.py."""
