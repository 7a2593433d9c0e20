"""Makes a zip of images for training."""
import click


@click.command()
@click.option("--source")
@click.option("--dest")
def main(source, dest):
    pass


main()
