"""Finished models as graphs that other runtimes compute: ONNX and OpenVINO, written, certified and read again."""
