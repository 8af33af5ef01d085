"""Export to ONNX: network and decision, with the mask as an input.

Needs skl2onnx: `pip install "skmask[onnx]"`.
"""

try:
    import skl2onnx  # noqa: F401
except ImportError as error:
    raise ImportError(
        'skl2onnx must be installed for skmask.onnx; it is not. Run: pip install "skmask[onnx]".'
    ) from error

from skmask.onnx._convert import register, to_onnx

__all__ = ["register", "to_onnx"]
