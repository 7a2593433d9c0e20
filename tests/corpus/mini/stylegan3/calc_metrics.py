import click, pickle
from metrics import metric_main


@click.command()
@click.option("--network", required=True)
@click.option("--metrics", default="fid50k_full")
@click.option("--data")
@click.option("--mirror", type=bool)
def main(network, metrics, data, mirror):
    G = pickle.load(open(network, "rb"))["G"]
    metric_main.report_metric(metric_main.calc_metric(metrics, G=G, data=data))


main()
