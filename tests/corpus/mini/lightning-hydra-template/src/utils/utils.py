import logging

import hydra
from rich.prompt import Prompt

log = logging.getLogger(__name__)


def build_many(node):
    return [hydra.utils.instantiate(n) for n in (node or {}).values()]


def require_tags(cfg):
    if not cfg.get("tags") and cfg.extras.enforce_tags:
        Prompt.ask("Enter a list of comma separated tags", default="dev")


def get_metric_value(metric_dict, metric_name):
    if not metric_name:
        log.info("Metric name is None! Skipping metric value retrieval...")
        return None
    value = metric_dict[metric_name].item()
    log.info(f"Retrieved metric value! <{metric_name}={value}>")
    return value
