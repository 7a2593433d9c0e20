import click


@click.command()
@click.option("--network")
@click.option("--outdir")
@click.option("--seeds")
@click.option("--trunc")
def main(**o):
    print("Generating image for seed", o["seeds"])


main()
