"""The graphs and what runs them: contract, variants, folders, onnxruntime."""
