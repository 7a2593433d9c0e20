"""What a campaign can be exported to, and what that needs; the extras of pyproject.toml by name.

Imports nothing: the command line asks for the names alone.
"""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """`module` writes with `library`, which `needs` bring: the extra of the same name."""

    module: str
    library: str = ""
    needs: tuple[str, ...] = ()


TARGETS = {
    "mlflow": Target("mlflow_runs", "mlflow", ("alembic", "mlflow-skinny>=3", "sqlalchemy>=2")),
    "wandb": Target("wandb_runs", "wandb", ("wandb>=0.22",)),
    "tensorboard": Target("event_files", "tensorboard", ("tensorboard>=2.14",)),
    "csv": Target("csv_files"),
    "parquet": Target("parquet_files", "pyarrow", ("pyarrow>=15",)),
}
