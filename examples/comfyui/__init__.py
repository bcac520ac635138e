"""Nodes for ComfyUI, which reads the two mappings when it starts."""

from .nodes import Load, Matte

NODE_CLASS_MAPPINGS = {"MattingAnythingLoad": Load, "MattingAnythingMatte": Matte}
NODE_DISPLAY_NAME_MAPPINGS = {"MattingAnythingLoad": "Load Matting Anything", "MattingAnythingMatte": "Matte"}
__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
