"""Pictures of the demo shop's items: a motif of the category in colours of the item, as one small SVG."""

import colorsys
from hashlib import blake2b

from evershelf.contracts.catalog import Item
from evershelf.demo.departments import CATEGORIES, COLOURS
from evershelf.demo.motifs_goods import GOODS_MOTIFS
from evershelf.demo.motifs_home import HOME_MOTIFS

MOTIFS = HOME_MOTIFS | GOODS_MOTIFS
_MOTIF_OF_PATH = {category.path: category.motif for category in CATEGORIES}
_FALLBACK_MOTIF = "box"
# Hue steps from the body's colour to the accent's that look well together: neighbours, triads, complement.
_ACCENT_STEPS = (0.08, 0.92, 0.33, 0.5, 0.58)


def picture_svg(item: Item) -> str:
    """A pleasant square SVG of the item, the same for the same item: no scripts, no fonts, no outside references.

    The motif follows the first category, the body the attribute `colour`, the rest a hash of the item's id.
    """
    dice = blake2b(item.item_id.encode(), digest_size=8).digest()
    motif = MOTIFS[_MOTIF_OF_PATH.get(item.categories[0] if item.categories else "", _FALLBACK_MOTIF)]
    hue, saturation, lightness = COLOURS.get(str(item.attributes.get("colour")), (dice[0] / 256, 0.4, 0.55))
    accent = (hue + _ACCENT_STEPS[dice[1] % len(_ACCENT_STEPS)]) % 1
    ground = (accent + (dice[2] % 5 - 2) / 40) % 1
    body = motif.format(
        a=_hex(hue, saturation, lightness),
        b=_hex(hue, saturation, lightness * 0.72),
        c=_hex(hue, saturation * 0.6, min(lightness + 0.3, 0.93)),
        d=_hex(accent, 0.52, 0.62),
    )
    scale = 0.86 + dice[4] % 8 / 50
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">'
        f'<rect width="400" height="400" fill="{_hex(ground, 0.36, 0.925)}"/>{_backdrop(dice, ground)}'
        f'<ellipse cx="200" cy="{312 + 8 * scale:.0f}" rx="{138 * scale:.0f}" ry="13" opacity=".6"'
        f' fill="{_hex(ground, 0.3, 0.74)}"/>'
        f'<g transform="translate(200 315) scale({scale:.2f}) translate(-200 -308)">{body}</g></svg>\n'
    )


def _backdrop(dice: bytes, hue: float) -> str:
    """What stands behind the motif: a sun, an arch, a hill or a table's edge."""
    fill = f'fill="{_hex(hue, 0.42, 0.865)}"'
    match dice[3] % 4:
        case 0:
            return f'<circle cx="{170 + dice[5] % 60}" cy="{170 + dice[6] % 40}" r="150" {fill}/>'
        case 1:
            return f'<path d="M60 400V200a140 140 0 0 1 280 0v200z" {fill}/>'
        case 2:
            return f'<path d="M0 {250 + dice[5] % 40}q100-70 200 0t200 0v150H0z" {fill}/>'
        case _:
            return f'<path d="M0 {286 + dice[5] % 14}h400v120H0z" {fill}/>'


def _hex(hue: float, saturation: float, lightness: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
