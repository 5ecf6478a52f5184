"""What papers report, in the shape of a report's own tables."""

from __future__ import annotations

from typing import Protocol

from layerstudio.pipelines.evaluation import published
from layerstudio.pipelines.evaluation.tables import Column, Table, four, layerd_columns


class Sourced(Protocol):
    @property
    def source(self) -> str: ...


def published_tables() -> tuple[Table, ...]:
    """LayerD's protocol, CLD's comparison on grey, CLD's protocol."""
    edits = len(published.LAYERD_PROTOCOL[0].rgb_l1) - 1
    columns = layerd_columns(edits, own=False)
    rows = tuple(
        (row.system, *map(four, row.rgb_l1), *map(four, row.alpha_iou))
        for row in published.LAYERD_PROTOCOL
    )
    on_grey = tuple(
        (row.system, *map(four, (row.rgb_l1, row.alpha_iou, row.unified)))
        for row in published.GREY_PROTOCOL
    )
    grey_columns = (
        Column("system", is_text=True), Column("RGB L1 ↓"), Column("alpha IoU ↑"),
        Column("unified ↓"),
    )  # fmt: skip
    return (
        Table("Published, LayerD's protocol", columns, rows, (_source(published.LAYERD_PROTOCOL),)),
        Table(
            "Published, colour on grey and layers matched by box",
            grey_columns,
            on_grey,
            (_source(published.GREY_PROTOCOL),),
        ),
        _published_cld(),
    )


def _published_cld() -> Table:
    columns = (
        Column("system", is_text=True),
        Column("PSNR ↑", "layers"), Column("SSIM ↑", "layers"), Column("FID ↓", "layers"),
        Column("IoU ↑", "masks"), Column("F1 ↑", "masks"),
        Column("PSNR ↑", "composite"), Column("SSIM ↑", "composite"), Column("FID ↓", "composite"),
    )  # fmt: skip
    rows = tuple(
        (
            row.system,
            f"{row.layer_psnr:.2f}", f"{row.layer_ssim:.3f}", f"{row.layer_fid:.2f}",
            f"{row.mask_iou:.3f}", f"{row.mask_f1:.3f}",
            f"{row.composite_psnr:.2f}", f"{row.composite_ssim:.3f}", f"{row.composite_fid:.2f}",
        )
        for row in published.CLD_PROTOCOL
    )  # fmt: skip
    return Table("Published, CLD's protocol", columns, rows, (_source(published.CLD_PROTOCOL),))


def _source(rows: tuple[Sourced, ...]) -> str:
    return f"Source: {rows[0].source}."
