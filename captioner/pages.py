"""What the HTML pages of this package have in common: templates based on base.html, and embedded thumbnails."""

import base64
import io

from captioner.images import Source, open_image


def render(template: str, **values: object) -> str:
    """Render a template, such as `search/sheet.html`. Values are escaped unless they are `Markup`; none may be missing.

    Args:
        template: path of the template in this package.
        values: the template's variables.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("captioner", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def thumbnail(photo: Source, side: int) -> str:
    """A JPEG copy of a photo, at most `side` pixels wide and high, as a data URI.

    Raises:
        ImageError: the photo cannot be read.
    """
    small = open_image(photo, draft=-(-side // 2)).image
    small.thumbnail((side, side))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
