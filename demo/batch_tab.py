"""The tab for many pictures."""

from __future__ import annotations

import gradio as gr

from demo import batch
from demo.studio import Studio
from demo.words import NO_TEXT_MODEL
from mam import MamError


def add_batch_tab(studio: Studio) -> None:
    """Lay out the tab inside an open `gr.Blocks` and connect it."""
    gr.Markdown(f"One rule for up to {batch.MAX_PICTURES} pictures; what fails is listed, and the rest goes on.")
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            files = gr.File(
                file_count="multiple", file_types=["image"], label="Pictures", elem_id="batch_files", height=220
            )
            rule = gr.Radio(list(batch.RULES), value=next(iter(batch.RULES)), label="Cut out", elem_id="batch_rule")
            words = gr.Textbox(label="Words", placeholder="the dog", visible=False, elem_id="batch_words")
            form = gr.Radio(batch.FORMS, value=batch.CUTOUT, label="As")
            with gr.Row():
                start = gr.Button("Start", variant="primary", elem_id="batch_start")
                stop = gr.Button("Stop", elem_id="batch_stop")
        with gr.Column(scale=3, min_width=320):
            report = gr.Markdown("", elem_id="batch_said")
            gallery = gr.Gallery(label="Results", format="png", columns=4, height=420, elem_id="batch_gallery")
            archive = gr.File(label="All results", elem_id="batch_zip")

    running: set[str] = set()  # visitors
    stopping: set[str] = set()  # those of them who have had enough

    def run(
        paths: list[str] | None,
        chosen: str,
        said: str,
        shape: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ):
        if chosen == batch.WORDS and not studio.reads_words:
            raise gr.Error(NO_TEXT_MODEL, title="No text model")
        if not paths:
            raise gr.Error("Choose some pictures first.", title="Nothing to do")
        target = studio.downloads.path("mattes.zip")
        running.add(request.session_hash)
        try:
            for done in batch.run(studio.matting, paths, chosen, shape, target, said):
                finished = len(done.done) + len(done.failed)
                progress((finished, done.total), unit="pictures")
                yield _report(done), done.done, None
                if request.session_hash in stopping:
                    break
        except MamError as error:
            raise gr.Error(str(error), title="That did not work") from error
        finally:
            running.discard(request.session_hash)
            stopping.discard(request.session_hash)
        yield _report(done), gr.skip(), str(target) if done.done else None

    def halt(request: gr.Request) -> None:
        if request.session_hash in running:
            stopping.add(request.session_hash)

    rule.input(
        lambda chosen: gr.update(visible=chosen == batch.WORDS), rule, words, queue=False, api_visibility="private"
    )
    start.click(
        run,
        [files, rule, words, form],
        [report, gallery, archive],
        api_visibility="private",
        concurrency_id="batch",
        concurrency_limit=1,
    )
    stop.click(halt, queue=False, api_visibility="private")


def _report(done: batch.Batch) -> str:
    """How many are done, and what failed and why."""
    lines = [f"**{len(done.done) + len(done.failed)} of {done.total}** done, {len(done.failed)} failed."]
    lines += [
        f"- `{name}`: `{why}`" for name, why in ((n.replace("`", "'"), w.replace("`", "'")) for n, w in done.failed)
    ]
    return "\n".join(lines)
