"""Drawings of what one wears, plays, reads or carries along: one motif a kind of thing, in four colours.

The canvas and the placeholders are those of `motifs_home`.
"""

# ruff: noqa: E501 - a drawn line reads no better broken

GOODS_MOTIFS = {
    "shirt": '<path d="M150 92l-82 44 28 66 34-16v124h140V186l34 16 28-66-82-44q-50 40-100 0z" fill="{a}"/>'
    '<path d="M150 92q50 40 100 0l-14-6q-36 24-72 0z" fill="{b}"/><path d="M200 128v176" stroke="{d}" stroke-width="6" stroke-dasharray="6 20" stroke-linecap="round"/>',
    "dress": '<path d="M160 78l-8 84 24 24-66 124h180l-66-124 24-24-8-84q-14 34-40 34t-40-34z" fill="{a}"/><path d="M172 176h56l6 22h-68z" fill="{d}"/>'
    '<path d="M150 300l28-90M200 302v-92M250 300l-28-90" stroke="{b}" stroke-width="5"/>',
    "knit": '<path d="M152 94l-78 50 8 146h42l4-92v108h144V198l4 92h42l8-146-78-50q-48 34-96 0z" fill="{a}"/>'
    '<path d="M130 176l20 18 20-18 20 18 20-18 20 18 20-18 20 18" fill="none" stroke="{d}" stroke-width="11"/><path d="M130 214l20 18 20-18 20 18 20-18 20 18 20-18 20 18" fill="none" stroke="{c}" stroke-width="8"/>'
    '<path d="M152 94q48 34 96 0l-10-10q-38 22-76 0z" fill="{b}"/>',
    "scarf": '<path d="M128 96h60q34 80 84 120l-40 32q-70-50-104-152z" fill="{b}"/><path d="M272 96h-60q-34 80-84 120v94h58v-70q60-54 86-144z" fill="{a}"/>'
    '<path d="M128 246h58M128 270h58" stroke="{d}" stroke-width="11"/><path d="M132 310v16M146 310v16M160 310v16M176 310v16" stroke="{a}" stroke-width="6"/>',
    "sneaker": '<path d="M66 186q50 22 76-26q72 76 150 84q48 6 48 46H60q-12-52 6-104z" fill="{a}"/><rect x="54" y="280" width="292" height="30" rx="15" fill="{c}"/>'
    '<path d="M156 190l28-24M182 210l26-24M208 228l24-24" stroke="{d}" stroke-width="10" stroke-linecap="round"/><path d="M66 186q50 22 76-26l-10-10q-30 26-62 16z" fill="{b}"/>'
    '<path d="M84 262q70-4 110-34" fill="none" stroke="{d}" stroke-width="12"/>',
    "boot": '<path d="M138 86h100v122q86 16 90 78H138z" fill="{a}"/><path d="M132 280h202v30H132z" fill="{b}"/><rect x="130" y="78" width="116" height="26" rx="10" fill="{d}"/>'
    '<path d="M196 132h40M196 158h40M196 184h46" stroke="{c}" stroke-width="8" stroke-linecap="round"/>',
    "backpack": '<path d="M166 92q34-52 68 0" fill="none" stroke="{b}" stroke-width="13"/><rect x="112" y="86" width="176" height="224" rx="62" fill="{a}"/>'
    '<rect x="132" y="206" width="136" height="88" rx="22" fill="{b}"/><path d="M132 158h136" stroke="{d}" stroke-width="11"/><rect x="186" y="196" width="28" height="34" rx="8" fill="{d}"/>'
    '<path d="M148 240h104" stroke="{c}" stroke-width="6"/>',
    "tote": '<path d="M150 180V138q0-52 50-52t50 52v42" fill="none" stroke="{b}" stroke-width="13"/><path d="M96 168h208l16 142H80z" fill="{a}"/>'
    '<circle cx="200" cy="240" r="36" fill="{c}"/><path d="M200 264q-40-26-18-42q12-6 18 8q6-14 18-8q22 16-18 42z" fill="{d}"/>',
    "watch": '<path d="M164 66h72l8 76h-88zM156 258h88l-8 76h-72z" fill="{b}"/><circle cx="200" cy="200" r="78" fill="{a}"/><circle cx="200" cy="200" r="58" fill="{c}"/>'
    '<path d="M200 200v-38M200 200l24 20" stroke="{b}" stroke-width="8" stroke-linecap="round"/><rect x="276" y="190" width="16" height="20" rx="5" fill="{d}"/>',
    "soap": '<rect x="78" y="208" width="244" height="102" rx="44" fill="{a}"/><rect x="112" y="232" width="176" height="48" rx="22" fill="{c}"/><path d="M150 256h100" stroke="{b}" stroke-width="8" stroke-linecap="round"/>'
    '<circle cx="132" cy="164" r="30" fill="{d}" opacity=".55"/><circle cx="192" cy="128" r="22" fill="{d}" opacity=".4"/><circle cx="242" cy="168" r="17" fill="{d}" opacity=".55"/>',
    "ball": '<circle cx="200" cy="208" r="102" fill="{a}"/><path d="M200 106v204M98 208h204M128 136q72 72 0 144M272 136q-72 72 0 144" fill="none" stroke="{b}" stroke-width="9"/>'
    '<circle cx="164" cy="160" r="16" fill="{c}" opacity=".8"/>',
    "mat": '<path d="M130 250h206l16 60H124z" fill="{a}"/><circle cx="124" cy="252" r="58" fill="{b}"/><circle cx="124" cy="252" r="40" fill="{a}"/><circle cx="124" cy="252" r="22" fill="{b}"/>'
    '<path d="M192 266h140M190 290h154" stroke="{d}" stroke-width="6" stroke-dasharray="18 12"/><path d="M200 206q-60-6-66-74q62 6 66 74zq60-6 66-74q-62 6-66 74z" fill="{c}"/>',
    "tent": '<path d="M200 96L52 310h296z" fill="{a}"/><path d="M200 96l-44 214h88z" fill="{b}"/><path d="M200 96l-20 214h40z" fill="#453c36"/>'
    '<path d="M200 96v-34l40 14-40 14" fill="{d}"/><path d="M96 248l36 0M268 248h36" stroke="{c}" stroke-width="8"/>',
    "headlamp": '<path d="M72 210q0-116 128-116t128 116" fill="none" stroke="{b}" stroke-width="26"/><rect x="132" y="164" width="136" height="104" rx="34" fill="{a}"/>'
    '<circle cx="200" cy="216" r="38" fill="#fff3bd"/><circle cx="200" cy="216" r="20" fill="#ffd866"/><path d="M160 288l-26 32M200 294v34M240 288l26 32" stroke="{d}" stroke-width="9" stroke-linecap="round"/>',
    "helmet": '<path d="M72 252q0-140 132-140q124 0 126 140q-130 26-258 0z" fill="{a}"/><path d="M124 234q4-78 62-104M200 240V118M276 234q-4-78-58-106" fill="none" stroke="{b}" stroke-width="16"/>'
    '<path d="M66 250q134 32 268 0v20q-134 32-268 0z" fill="{d}"/><path d="M126 276q40 54 74 32" fill="none" stroke="{b}" stroke-width="7"/>',
    "headphones": '<path d="M98 232v-24a102 102 0 0 1 204 0v24" fill="none" stroke="{b}" stroke-width="20"/><rect x="78" y="212" width="56" height="98" rx="27" fill="{a}"/>'
    '<rect x="266" y="212" width="56" height="98" rx="27" fill="{a}"/><rect x="122" y="224" width="22" height="74" rx="11" fill="{d}"/><rect x="256" y="224" width="22" height="74" rx="11" fill="{d}"/>',
    "speaker": '<rect x="124" y="76" width="152" height="234" rx="26" fill="{a}"/><circle cx="200" cy="228" r="54" fill="{b}"/><circle cx="200" cy="228" r="30" fill="{c}"/><circle cx="200" cy="228" r="10" fill="{b}"/>'
    '<circle cx="200" cy="126" r="26" fill="{b}"/><circle cx="200" cy="126" r="11" fill="{d}"/>',
    "charger": '<path d="M200 206v40q0 44-50 44t-50-34" fill="none" stroke="{b}" stroke-width="12"/><rect x="146" y="104" width="108" height="108" rx="26" fill="{a}"/>'
    '<path d="M174 104V66M226 104V66" stroke="{b}" stroke-width="14" stroke-linecap="round"/><path d="M206 124l-32 42h24l-8 32 34-44h-24z" fill="{d}"/>',
    "keyboard": '<rect x="52" y="164" width="296" height="130" rx="22" fill="{a}"/><path d="M80 196h240M80 228h240" stroke="{c}" stroke-width="22" stroke-dasharray="22 9"/>'
    '<path d="M80 262h48M272 262h48" stroke="{c}" stroke-width="22"/><path d="M140 262h120" stroke="{d}" stroke-width="22"/>',
    "blocks": '<rect x="92" y="216" width="94" height="94" rx="10" fill="{a}"/><rect x="206" y="216" width="94" height="94" rx="10" fill="{d}"/><path d="M200 104l58 102H142z" fill="{b}"/>'
    '<circle cx="139" cy="263" r="24" fill="{c}"/><path d="M232 242h42v42h-42z" fill="{c}"/>',
    "bear": '<circle cx="146" cy="112" r="30" fill="{b}"/><circle cx="254" cy="112" r="30" fill="{b}"/><ellipse cx="200" cy="262" rx="76" ry="60" fill="{a}"/><circle cx="200" cy="158" r="72" fill="{a}"/>'
    '<ellipse cx="200" cy="180" rx="34" ry="26" fill="{c}"/><circle cx="174" cy="142" r="8" fill="#453c36"/><circle cx="226" cy="142" r="8" fill="#453c36"/><circle cx="200" cy="170" r="9" fill="#453c36"/>'
    '<ellipse cx="200" cy="266" rx="40" ry="34" fill="{c}"/><path d="M200 226l-30-12v24zl30-12v24z" fill="{d}"/>',
    "puzzle": '<path d="M96 136h72q-18-44 22-44t22 44h72v70q44-18 44 22t-44 22v60H96z" fill="{a}"/><path d="M190 150v146M110 220h160" stroke="{b}" stroke-width="7"/>'
    '<circle cx="146" cy="180" r="16" fill="{d}"/><circle cx="234" cy="262" r="16" fill="{c}"/>',
    "dice": '<rect x="80" y="166" width="144" height="144" rx="28" fill="{a}"/><rect x="206" y="110" width="116" height="116" rx="24" fill="{b}" transform="rotate(18 264 168)"/>'
    '<g fill="{c}"><circle cx="118" cy="204" r="13"/><circle cx="186" cy="204" r="13"/><circle cx="152" cy="238" r="13"/><circle cx="118" cy="272" r="13"/><circle cx="186" cy="272" r="13"/></g>'
    '<circle cx="264" cy="168" r="15" fill="{d}"/>',
    "book": '<path d="M112 80h164a18 18 0 0 1 18 18v194H130a18 18 0 0 1-18-18z" fill="{a}"/><path d="M112 80h26v212h-8a18 18 0 0 1-18-18z" fill="{b}"/>'
    '<path d="M130 292h164v18H130a9 9 0 0 1 0-18z" fill="#fbf6ea"/><rect x="162" y="116" width="106" height="58" rx="6" fill="{c}"/><path d="M178 136h74M190 154h50" stroke="{b}" stroke-width="7"/>'
    '<circle cx="215" cy="232" r="26" fill="{d}"/>',
    "notebook": '<rect x="112" y="82" width="186" height="228" rx="16" fill="{a}"/><path d="M112 112h-16M112 150h-16M112 188h-16M112 226h-16M112 264h-16" stroke="{b}" stroke-width="12" stroke-linecap="round"/>'
    '<rect x="262" y="82" width="13" height="228" fill="{d}"/><rect x="146" y="122" width="90" height="50" rx="8" fill="{c}"/>',
    "pen": '<g transform="rotate(40 200 200)"><rect x="178" y="60" width="44" height="196" rx="14" fill="{a}"/><rect x="178" y="150" width="44" height="18" fill="{d}"/><path d="M178 250h44l-22 72z" fill="{c}"/>'
    '<path d="M193 296h14l-7 26z" fill="{b}"/><rect x="214" y="72" width="12" height="84" rx="6" fill="{b}"/></g>',
    "gift": '<rect x="94" y="184" width="212" height="126" rx="10" fill="{a}"/><rect x="80" y="150" width="240" height="48" rx="10" fill="{b}"/><rect x="180" y="150" width="40" height="160" fill="{d}"/>'
    '<path d="M200 148q-72 4-66-40q32-28 66 40zq72 4 66-40q-32-28-66 40z" fill="{d}"/><circle cx="200" cy="146" r="14" fill="{c}"/>',
    "garland": '<path d="M48 122q152 120 304 0" fill="none" stroke="{b}" stroke-width="7"/><path d="M76 142l50 28-40 48zM138 174l56 8-32 62z" fill="{a}"/><path d="M206 182l56-8-24 70z" fill="{d}"/>'
    '<path d="M274 170l50-28-10 76z" fill="{a}"/><circle cx="112" cy="276" r="10" fill="{d}"/><circle cx="206" cy="290" r="13" fill="{c}"/><circle cx="286" cy="270" r="9" fill="{b}"/>',
    "bone": '<g transform="rotate(-28 200 206)"><rect x="112" y="182" width="176" height="48" fill="{a}"/><g fill="{a}"><circle cx="112" cy="178" r="32"/><circle cx="112" cy="234" r="32"/><circle cx="288" cy="178" r="32"/>'
    '<circle cx="288" cy="234" r="32"/></g><path d="M150 196h100" stroke="{c}" stroke-width="8" stroke-linecap="round"/><rect x="184" y="178" width="32" height="56" rx="8" fill="{d}"/></g>',
    "cat": '<path d="M128 100l22 62h100l22-62 14 100q0 84-86 84t-86-84z" fill="{a}"/><path d="M136 122l12 36 22-8zM264 122l-12 36-22-8z" fill="{d}"/><circle cx="166" cy="204" r="11" fill="#453c36"/><circle cx="234" cy="204" r="11" fill="#453c36"/>'
    '<path d="M190 228h20l-10 12z" fill="{d}"/><path d="M94 222l52 8M94 252l52-8M306 222l-52 8M306 252l-52-8" stroke="{b}" stroke-width="5"/><path d="M134 270q66 44 132 0v26q-66 34-132 0z" fill="{b}"/><circle cx="200" cy="304" r="13" fill="{c}"/>',
}
