"""Model options.

Source: Ollama v0.33.0-rc2, `api/types.go` Options and Runner; the removed ones are kept
because code written for older servers names them.
"""

from arriero.types.record import Record


class Options(Record):
    """Options of a request; None leaves the model's own value. Unknown names are sent too.

    Changing one of the first group makes the server load the model anew.
    """

    # Read when a model is loaded
    num_ctx: int | None = None
    """Context length in tokens."""
    num_batch: int | None = None
    num_gpu: int | None = None
    """Layers on the GPU; -1 lets the server choose."""
    main_gpu: int | None = None
    use_mmap: bool | None = None
    num_thread: int | None = None
    draft_num_predict: int | None = None

    # Read for each request
    num_keep: int | None = None
    seed: int | None = None
    num_predict: int | None = None
    """Most tokens to generate; negative has no limit of its own."""
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_last_n: int | None = None
    temperature: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] | None = None

    # Ignored by current servers
    numa: bool | None = None
    low_vram: bool | None = None
    f16_kv: bool | None = None
    logits_all: bool | None = None
    vocab_only: bool | None = None
    use_mlock: bool | None = None
    embedding_only: bool | None = None
    tfs_z: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    penalize_newline: bool | None = None
