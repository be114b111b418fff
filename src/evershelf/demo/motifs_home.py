"""Drawings of what stands in a home: one motif a kind of thing, in four colours, on a 400 x 400 canvas.

Placeholders: {a} body, {b} its shade, {c} its light, {d} the accent. A motif stands on the ground line y = 310.
"""

# ruff: noqa: E501 - a drawn line reads no better broken

HOME_MOTIFS = {
    "mug": '<path d="M262 190h28a34 34 0 0 1 34 34v10a34 34 0 0 1-34 34h-28" fill="none" stroke="{b}" stroke-width="20"/>'
    '<path d="M112 160h154v118a32 32 0 0 1-32 32h-90a32 32 0 0 1-32-32z" fill="{a}"/>'
    '<path d="M112 226h154v26H112z" fill="{d}"/><ellipse cx="189" cy="160" rx="77" ry="16" fill="{b}"/>'
    '<path d="M165 128q-14-18 0-36M205 128q-14-18 0-36" fill="none" stroke="{c}" stroke-width="8" stroke-linecap="round"/>',
    "pan": '<rect x="250" y="226" width="122" height="20" rx="10" fill="{d}"/>'
    '<path d="M62 222h212l-14 62a34 34 0 0 1-33 26H109a34 34 0 0 1-33-26z" fill="{a}"/>'
    '<ellipse cx="168" cy="222" rx="106" ry="24" fill="{b}"/><ellipse cx="168" cy="225" rx="84" ry="15" fill="{c}"/>',
    "knife": '<g transform="rotate(-38 200 210)"><path d="M40 190h200v44H110q-50 0-70-44z" fill="#c3ccd4"/>'
    '<path d="M40 190h200v14H52z" fill="{b}" opacity=".35"/><rect x="240" y="186" width="122" height="40" rx="16" fill="{a}"/>'
    '<circle cx="272" cy="206" r="6" fill="{d}"/><circle cx="330" cy="206" r="6" fill="{d}"/></g>',
    "bowl": '<path d="M80 190h240a120 120 0 0 1-84 108v12h-72v-12A120 120 0 0 1 80 190z" fill="{a}"/>'
    '<ellipse cx="200" cy="190" rx="120" ry="26" fill="{b}"/><ellipse cx="200" cy="194" rx="98" ry="17" fill="{c}"/>'
    '<path d="M96 236q104 34 208 0l-6 14q-98 32-196 0z" fill="{d}"/>',
    "glass": '<path d="M134 96h132l-14 118a54 54 0 0 1-104 0z" fill="{c}" opacity=".75"/>'
    '<path d="M141 150h118l-8 62a52 52 0 0 1-102 0z" fill="{a}"/><rect x="193" y="250" width="14" height="50" fill="{b}"/>'
    '<ellipse cx="200" cy="304" rx="52" ry="9" fill="{b}"/><ellipse cx="200" cy="150" rx="59" ry="9" fill="{d}"/>',
    "press": '<rect x="193" y="64" width="14" height="60" fill="{b}"/><circle cx="200" cy="62" r="14" fill="{d}"/>'
    '<rect x="138" y="116" width="124" height="20" rx="9" fill="{b}"/><path d="M260 160h34v96h-34" fill="none" stroke="{b}" stroke-width="15"/>'
    '<rect x="142" y="136" width="116" height="174" rx="14" fill="{c}"/><path d="M142 206h116v90a14 14 0 0 1-14 14h-88a14 14 0 0 1-14-14z" fill="{a}"/>'
    '<rect x="142" y="196" width="116" height="12" fill="{d}"/>',
    "cushion": '<path d="M96 126q104 24 208 0q18 0 12 20q-22 76 0 150q4 18-14 16q-102-22-204 0q-20 0-14-18q22-74 0-148q-4-20 12-20z" fill="{a}"/>'
    '<path d="M150 136q-10 84 0 166M200 140v160M250 136q10 84 0 166" fill="none" stroke="{d}" stroke-width="10"/>'
    '<path d="M96 126q104 24 208 0" fill="none" stroke="{b}" stroke-width="6"/>',
    "fold": '<rect x="90" y="250" width="220" height="60" rx="26" fill="{b}"/><rect x="90" y="196" width="220" height="60" rx="26" fill="{a}"/>'
    '<rect x="90" y="142" width="220" height="60" rx="26" fill="{d}"/><path d="M116 172h150M116 226h150M116 280h150" stroke="{c}" stroke-width="6"'
    ' stroke-linecap="round" stroke-dasharray="2 14"/>',
    "lamp": '<rect x="193" y="180" width="14" height="116" fill="{b}"/><path d="M148 92h104l42 104H106z" fill="{a}"/>'
    '<path d="M106 196h188l-5-14H111z" fill="{d}"/><ellipse cx="200" cy="302" rx="62" ry="12" fill="{b}"/>'
    '<path d="M120 200h160l34 84H86z" fill="#fff4c4" opacity=".45"/>',
    "candle": '<path d="M200 92q26 36 0 58q-26-22 0-58z" fill="#ffb84d"/><path d="M200 114q12 20 0 34q-12-14 0-34z" fill="#fff1b8"/>'
    '<rect x="197" y="146" width="6" height="22" fill="#594a42"/><rect x="138" y="166" width="124" height="144" rx="14" fill="{a}"/>'
    '<rect x="138" y="212" width="124" height="54" fill="{c}"/><path d="M160 230h80M172 248h56" stroke="{b}" stroke-width="6" stroke-linecap="round"/>'
    '<ellipse cx="200" cy="168" rx="62" ry="10" fill="{d}"/>',
    "chair": '<path d="M126 92h148a16 16 0 0 1 16 16v104H110V108a16 16 0 0 1 16-16z" fill="{a}"/><path d="M146 108v96M200 108v96M254 108v96"'
    ' stroke="{b}" stroke-width="7"/><rect x="94" y="208" width="212" height="34" rx="16" fill="{d}"/>'
    '<path d="M120 242l-14 68M280 242l14 68M160 242l-4 56M240 242l4 56" stroke="{b}" stroke-width="13" stroke-linecap="round"/>',
    "rug": '<path d="M88 150h224l40 150H48z" fill="{a}"/><path d="M108 168h184l28 114H80z" fill="none" stroke="{d}" stroke-width="9"/>'
    '<path d="M200 186l62 40-62 40-62-40z" fill="{c}"/><path d="M200 204l32 22-32 22-32-22z" fill="{b}"/>'
    '<path d="M48 300h304" stroke="{b}" stroke-width="12" stroke-dasharray="5 7"/>',
    "vase": '<path d="M200 172q-40-60-66-84M200 172q6-70 2-106M200 172q36-52 62-70" fill="none" stroke="#6d8f63" stroke-width="7"/>'
    '<circle cx="134" cy="88" r="20" fill="{d}"/><circle cx="202" cy="64" r="24" fill="{c}"/><circle cx="262" cy="102" r="20" fill="{d}"/>'
    '<circle cx="202" cy="64" r="8" fill="{b}"/><path d="M172 160h56q-8 34 22 64q30 56-18 86h-64q-48-30-18-86q30-30 22-64z" fill="{a}"/>'
    '<path d="M142 244q58 22 116 0" fill="none" stroke="{c}" stroke-width="9"/>',
    "clock": '<circle cx="200" cy="204" r="106" fill="{a}"/><circle cx="200" cy="204" r="84" fill="{c}"/>'
    '<path d="M200 134v14M200 260v14M130 204h14M256 204h14" stroke="{b}" stroke-width="8" stroke-linecap="round"/>'
    '<path d="M200 204v-50M200 204l38 22" stroke="{b}" stroke-width="10" stroke-linecap="round"/><circle cx="200" cy="204" r="10" fill="{d}"/>',
    "basket": '<path d="M134 190q66-150 132 0" fill="none" stroke="{b}" stroke-width="13"/><path d="M86 188h228l-26 122H112z" fill="{a}"/>'
    '<path d="M92 218h216M98 250h204M104 282h192" stroke="{b}" stroke-width="7" stroke-dasharray="22 12"/><rect x="78" y="178" width="244" height="22" rx="11" fill="{d}"/>',
    "plant": '<path d="M200 236q-94-16-96-108q84 4 96 108zM200 236q90-30 84-128q-82 20-84 128z" fill="#7fa66f"/>'
    '<path d="M200 236q-34-80 4-158q40 78-4 158z" fill="#5f8a58"/><path d="M132 232h136l-18 78H150z" fill="{a}"/>'
    '<rect x="122" y="222" width="156" height="26" rx="8" fill="{b}"/><path d="M145 278h110" stroke="{d}" stroke-width="9"/>',
    "pot": '<path d="M112 170h176l-26 140H138z" fill="{a}"/><rect x="98" y="146" width="204" height="38" rx="10" fill="{b}"/>'
    '<path d="M126 222l22 20 26-20 26 20 26-20 26 20 22-20" fill="none" stroke="{d}" stroke-width="9" stroke-linejoin="round"/><path d="M134 270h132" stroke="{c}" stroke-width="8"/>',
    "trowel": '<g transform="rotate(34 200 200)"><rect x="182" y="62" width="36" height="104" rx="17" fill="{a}"/><rect x="182" y="92" width="36" height="12" fill="{d}"/>'
    '<rect x="193" y="162" width="14" height="44" fill="{b}"/><path d="M152 204h96v52q0 56-48 86q-48-30-48-86z" fill="#b9c3cb"/>'
    '<path d="M200 218v104" stroke="{b}" stroke-width="6" opacity=".5"/></g>',
    "birdhouse": '<rect x="190" y="276" width="20" height="40" fill="{b}"/><rect x="124" y="168" width="152" height="116" rx="6" fill="{a}"/>'
    '<path d="M200 78l108 96-16 16-92-82-92 82-16-16z" fill="{b}"/><circle cx="200" cy="206" r="27" fill="#4d4038"/>'
    '<rect x="194" y="242" width="12" height="26" rx="5" fill="{d}"/><path d="M140 168l60-52 60 52z" fill="{c}"/>',
    "lantern": '<path d="M164 106q36-62 72 0" fill="none" stroke="{b}" stroke-width="9"/><path d="M150 104h100l22 40H128z" fill="{a}"/>'
    '<rect x="138" y="144" width="124" height="140" fill="#fff0bf"/><path d="M200 186q24 34 0 58q-24-24 0-58z" fill="#ffb84d"/>'
    '<path d="M138 144v140M200 144v30M262 144v140" stroke="{b}" stroke-width="10"/><rect x="122" y="284" width="156" height="26" rx="6" fill="{d}"/>',
    "pouch": '<path d="M122 110h156l14 200H108z" fill="{a}"/><path d="M118 84h164l-4 34H122z" fill="{b}"/><circle cx="200" cy="214" r="48" fill="{c}"/>'
    '<ellipse cx="200" cy="214" rx="20" ry="30" fill="{d}" transform="rotate(28 200 214)"/><path d="M190 190q18 24 12 50" fill="none" stroke="{c}" stroke-width="6"/>',
    "box": '<path d="M84 170l116-44 116 44v96l-116 44-116-44z" fill="{a}"/><path d="M84 170l116 42v98l-116-44z" fill="{b}"/>'
    '<path d="M84 170l116-44 116 44-116 42z" fill="{c}"/><path d="M142 148l116 43v40l28-11v-40L168 138z" fill="{d}"/>',
    "jar": '<rect x="130" y="142" width="140" height="168" rx="30" fill="{a}"/><rect x="138" y="104" width="124" height="44" rx="10" fill="{d}"/>'
    '<rect x="130" y="196" width="140" height="74" fill="{c}"/><path d="M156 220h88M168 244h64" stroke="{b}" stroke-width="8" stroke-linecap="round"/>'
    '<path d="M150 166v16" stroke="{c}" stroke-width="10" stroke-linecap="round"/>',
    "bottle": '<rect x="178" y="66" width="44" height="34" rx="8" fill="{d}"/><path d="M182 98h36v44q38 22 38 64v80a24 24 0 0 1-24 24h-64a24 24 0 0 1-24-24v-80q0-42 38-64z" fill="{a}"/>'
    '<rect x="144" y="214" width="112" height="60" fill="{c}"/><path d="M200 224q22 22 0 40q-22-18 0-40z" fill="{b}"/>',
}
