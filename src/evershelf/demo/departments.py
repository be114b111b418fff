"""What the demo shop sells: its categories with their words and prices, its brands, colours and tastes."""

from typing import NamedTuple


class Category(NamedTuple):
    """One leaf of the catalog's tree. Prices are in minor units; `peak_month` 0 means that it sells evenly all year."""

    path: str
    prefix: str
    motif: str
    price_low: int
    price_high: int
    peak_month: int
    nouns: tuple[str, ...]
    materials: tuple[str, ...]


# path | item id prefix | motif | EUR from | EUR to | peak month | nouns | materials
_TABLE = """
home/kitchen/mugs|mug|mug|9|32|12|Espresso Mug,Breakfast Mug,Latte Cup,Travel Mug,Tea Mug|Stoneware,Porcelain,Enamel,Terracotta
home/kitchen/pans|pan|pan|29|149|11|Frying Pan,Saucepan,Sauté Pan,Crêpe Pan,Grill Pan|Cast Iron,Copper,Carbon Steel,Ceramic
home/kitchen/knives|knife|knife|19|139|0|Chef's Knife,Paring Knife,Bread Knife,Santoku,Carving Knife|Olive Wood,Damascus Steel,Walnut,Ash Wood
home/kitchen/bowls|bowl|bowl|12|69|0|Salad Bowl,Cereal Bowl,Mixing Bowl,Ramen Bowl,Serving Bowl|Stoneware,Bamboo,Glass,Porcelain
home/kitchen/glasses|glass|glass|8|49|7|Wine Glass,Spritz Glass,Coupe,Goblet,Cordial Glass|Crystal,Recycled Glass,Smoked Glass,Soda Glass
home/kitchen/coffee-makers|brewer|press|24|119|0|French Press,Cold Brew Jug,Pour-Over Brewer,Milk Frother,Filter Carafe|Steel,Borosilicate,Copper,Bamboo
home/living/cushions|cushion|cushion|18|75|0|Cushion,Floor Cushion,Bolster,Seat Pad,Scatter Pillow|Linen,Velvet,Bouclé,Cotton
home/living/lamps|lamp|lamp|35|220|11|Table Lamp,Desk Lamp,Bedside Lamp,Reading Lamp,Floor Lamp|Brass,Rattan,Oak,Ceramic
home/living/candles|candle|candle|9|45|12|Scented Candle,Pillar Candle,Travel Candle,Soy Candle,Church Candle|Beeswax,Soy Wax,Rapeseed Wax,Amber Glass
home/living/chairs|chair|chair|79|390|0|Dining Chair,Lounge Chair,Side Chair,Reading Chair,Desk Chair|Oak,Beech,Ash,Walnut
home/living/rugs|rug|rug|49|340|0|Area Rug,Hall Runner,Kilim,Bedside Rug,Flatweave|Wool,Jute,Cotton,Recycled
home/living/vases|vase|vase|15|89|5|Bud Vase,Table Vase,Floor Vase,Flower Jug,Posy Vase|Stoneware,Glass,Terracotta,Porcelain
home/living/clocks|clock|clock|24|129|0|Wall Clock,Mantel Clock,Alarm Clock,Kitchen Clock,Station Clock|Oak,Brass,Walnut,Enamel
home/bed/bedding|bedding|fold|39|189|1|Duvet Set,Fitted Sheet,Pillowcase Pair,Bedspread,Quilt|Linen,Percale,Washed Cotton,Bamboo
home/bed/throws|throw|fold|35|149|11|Throw,Picnic Blanket,Sofa Blanket,Plaid,Cradle Blanket|Merino,Alpaca,Cotton,Recycled Wool
home/bath/towels|towel|fold|12|69|0|Bath Towel,Hand Towel,Beach Towel,Hammam Towel,Guest Towel|Terry,Waffle,Linen,Organic Cotton
home/storage/baskets|basket|basket|14|79|1|Laundry Basket,Storage Basket,Log Basket,Picnic Basket,Bread Basket|Seagrass,Willow,Rattan,Felt
garden/plants|plant|plant|9|69|5|Monstera,Olive Tree,Fern,Rubber Plant,Peace Lily|Potted,Hanging,Young,Mature
garden/pots|pot|pot|8|95|4|Planter,Herb Pot,Window Box,Plant Bowl,Flower Pot|Terracotta,Glazed,Concrete,Zinc
garden/tools|trowel|trowel|11|69|4|Hand Trowel,Weeder,Hand Fork,Bulb Planter,Transplanter|Ash Handled,Copper,Stainless,Forged
garden/bird-care|birdhouse|birdhouse|12|59|2|Bird House,Nesting Box,Bird Feeder,Robin House,Wren Box|Cedar,Pine,Woodcrete,Larch
garden/lanterns|lantern|lantern|15|99|7|Lantern,Storm Light,Path Light,Solar Lantern,Table Lantern|Zinc,Copper,Bamboo,Iron
food/coffee|coffee|pouch|8|24|0|Espresso Roast,Filter Roast,Breakfast Blend,Decaf,House Blend|Ethiopian,Guatemalan,Colombian,Sumatran
food/tea|tea|pouch|6|22|11|Green Tea,Herbal Infusion,Black Tea,Oolong,Rooibos|Loose Leaf,Organic,Hand-Picked,First Flush
food/chocolate|chocolate|box|4|39|12|Truffles,Pralines,Chocolate Squares,Nougat,Hot Chocolate|Dark,Milk,Hazelnut,Sea Salt
food/preserves|jam|jar|5|16|9|Marmalade,Jam,Chutney,Honey,Curd|Orange,Apricot,Raspberry,Fig
food/oils|oil|bottle|8|36|0|Olive Oil,Balsamic,Chilli Oil,Walnut Oil,Herb Vinegar|Cold-Pressed,Barrel-Aged,Organic,Single Estate
fashion/women/dresses|dress|dress|39|179|6|Wrap Dress,Midi Dress,Shirt Dress,Sun Dress,Tea Dress|Linen,Viscose,Cotton,Silk
fashion/men/shirts|shirt|shirt|29|119|0|Oxford Shirt,Polo,T-Shirt,Henley,Camp Shirt|Linen,Cotton,Pima,Hemp
fashion/unisex/knitwear|knit|knit|49|199|11|Crew Sweater,Cardigan,Roll Neck,Fisherman Sweater,Slipover|Merino,Lambswool,Cashmere,Cotton
fashion/unisex/scarves|scarf|scarf|19|99|12|Scarf,Wrap,Stole,Bandana,Shawl|Wool,Silk,Cashmere,Modal
fashion/shoes/sneakers|sneaker|sneaker|49|169|4|Trainer,Court Shoe,Trail Runner,Slip-On,Running Shoe|Canvas,Suede,Knit,Leather
fashion/shoes/boots|boot|boot|79|249|10|Chelsea Boot,Hiking Boot,Rain Boot,Ankle Boot,Work Boot|Leather,Suede,Rubber,Nubuck
fashion/bags/backpacks|backpack|backpack|39|189|8|Backpack,Day Pack,Roll-Top,Rucksack,Laptop Pack|Canvas,Recycled Nylon,Waxed Cotton,Leather
fashion/bags/totes|tote|tote|15|129|0|Tote,Shopper,Market Bag,Beach Bag,Book Bag|Canvas,Leather,Jute,Organic Cotton
fashion/accessories/watches|watch|watch|59|389|12|Field Watch,Dress Watch,Dive Watch,Everyday Watch,Chronograph|Steel,Titanium,Gold-Tone,Ceramic
beauty/bath/soaps|soap|soap|4|19|0|Bar Soap,Shampoo Bar,Hand Soap,Shaving Soap,Body Bar|Lavender,Olive,Oat,Charcoal
beauty/skin/creams|cream|jar|12|69|1|Day Cream,Body Butter,Hand Balm,Night Cream,Clay Mask|Shea,Calendula,Rose,Hyaluronic
beauty/scent/perfumes|perfume|bottle|29|139|12|Eau de Parfum,Cologne,Body Mist,Pillow Spray,Scented Oil|Cedar,Neroli,Fig,Bergamot
sport/yoga|mat|mat|19|109|1|Yoga Mat,Travel Mat,Pilates Mat,Exercise Mat,Meditation Mat|Cork,Natural Rubber,Jute,Cotton
sport/balls|ball|ball|12|79|6|Football,Basketball,Volleyball,Medicine Ball,Handball|Match,Training,Indoor,Street
sport/bottles|flask|bottle|12|45|7|Water Bottle,Flask,Sports Bottle,Insulated Bottle,Trail Bottle|Steel,Tritan,Glass,Titanium
outdoor/tents|tent|tent|99|549|6|Two-Person Tent,Family Tent,Tarp Shelter,Trekking Tent,Beach Shelter|Ripstop,Polycotton,Silnylon,Canvas
outdoor/headlamps|headlamp|headlamp|19|99|10|Headlamp,Running Light,Camp Light,Climbing Light,Bike Light|Rechargeable,Ultralight,Waterproof,Long-Range
cycling/helmets|helmet|helmet|35|189|5|City Helmet,Road Helmet,Trail Helmet,Commuter Helmet,Child Helmet|Matte,Gloss,Reflective,Vented
electronics/audio/headphones|headphones|headphones|29|349|11|Headphones,Studio Headphones,On-Ear Headphones,Gaming Headset,Travel Headphones|Wireless,Noise-Cancelling,Wired,Open-Back
electronics/audio/speakers|speaker|speaker|39|399|11|Bookshelf Speaker,Portable Speaker,Smart Speaker,Party Speaker,Desk Speaker|Walnut,Fabric,Bluetooth,Aluminium
electronics/power/chargers|charger|charger|14|89|0|Wall Charger,Travel Charger,Desk Charger,Fast Charger,Car Charger|GaN,Compact,Dual-Port,Braided
electronics/desk/keyboards|keyboard|keyboard|39|219|0|Keyboard,Compact Keyboard,Split Keyboard,Travel Keyboard,Number Pad|Mechanical,Wireless,Low-Profile,Aluminium
toys/wooden|blocks|blocks|12|79|12|Building Blocks,Stacking Toy,Shape Sorter,Marble Run,Train Set|Beech,Maple,Lime Wood,Painted
toys/plush|plush|bear|12|49|12|Teddy Bear,Cuddly Cub,Comfort Bear,Musical Bear,Pocket Bear|Mohair,Organic Cotton,Velour,Alpaca
toys/puzzles|puzzle|puzzle|9|39|12|500-Piece Puzzle,1000-Piece Puzzle,Floor Puzzle,Map Puzzle,Night Sky Puzzle|Wooden,Linen-Finish,Cork,Recycled
toys/games|game|dice|12|59|12|Strategy Game,Dice Game,Family Game,Travel Game,Party Game|Wooden,Pocket,Cooperative,Two-Player
books/cooking|cookbook|book|14|49|12|Book of Bread,Vegetable Year,Sunday Kitchen,Book of Preserves,Pasta Notebook|Illustrated,Hardback,Pocket,Clothbound
books/fiction|novel|book|9|27|7|Harbour Novel,Winter Mystery,Island Tales,Family Saga,Night Train Thriller|Paperback,Hardback,Illustrated,Collector's
books/children|picturebook|book|8|24|12|Picture Book,Bedtime Stories,Animal Atlas,Counting Book,Forest Tales|Board,Hardback,Lift-the-Flap,Paperback
stationery/notebooks|notebook|notebook|5|35|9|Notebook,Weekly Planner,Sketchbook,Travel Journal,Diary|Dotted,Ruled,Linen-Bound,Recycled
stationery/pens|pen|pen|4|89|9|Fountain Pen,Rollerball,Ballpoint,Brush Pen,Fineliner|Brass,Lacquered,Aluminium,Ebonite
party/gifts|gift|gift|4|29|12|Gift Box,Wrapping Set,Keepsake Box,Hamper Box,Surprise Box|Kraft,Foil,Marbled,Linen
party/decorations|garland|garland|5|39|12|Garland,Bunting,Paper Pennants,Banner,Tree Chain|Paper,Felt,Cotton,Wooden
pets/dogs|dog|bone|5|59|0|Chew Bone,Training Bone,Rope Bone,Dental Chew,Squeaky Bone|Rubber,Hemp,Olive Wood,Canvas
pets/cats|cat|cat|6|69|0|Cat Bed,Cat Cave,Scratch Pad,Cat Cushion,Catnip Toy|Felt,Sisal,Wool,Cardboard
"""  # noqa: E501 - a table reads best one row a line


def _category(line: str) -> Category:
    path, prefix, motif, low, high, peak, nouns, materials = line.split("|")
    words = tuple(nouns.split(",")), tuple(materials.split(","))
    return Category(path, prefix, motif, int(low) * 100, int(high) * 100, int(peak), *words)


CATEGORIES: tuple[Category, ...] = tuple(_category(line) for line in _TABLE.strip().splitlines())

# Invented houses; each department has its own.
BRANDS: dict[str, tuple[str, ...]] = {
    "home": ("Nordvik", "Harbour & Pine", "Maison Lune", "Oakfold", "Tindra"),
    "garden": ("Fernhill", "Greenstead", "Potter & Vale", "Wrenwood"),
    "food": ("Casa Oliva", "Millstone", "Three Larks", "Bergamotto"),
    "fashion": ("Alder & Rye", "Lindqvist", "Sorella", "Fjordline", "Marlowe"),
    "beauty": ("Petalwell", "Saltmeadow", "Botanica Nine"),
    "sport": ("Velora", "Stride Works", "Kestrel"),
    "outdoor": ("Highmoor", "Campfell", "Kestrel"),
    "cycling": ("Velora", "Spokehouse", "Cadenza"),
    "electronics": ("Auralis", "Voltcraft Lane", "Hexon", "Tonewood"),
    "toys": ("Little Alder", "Puddlejump", "Kubo & Co"),
    "books": ("Lantern Press", "Quay Street", "Paperkite"),
    "stationery": ("Inkwell", "Paperkite", "Folio North"),
    "party": ("Confetti House", "Merrymade"),
    "pets": ("Barkley", "Whisker & Son", "Pawfield"),
}
STYLES = ("Classic", "Nordic", "Rustic", "Modern", "Heritage", "Everyday", "Artisan", "Weekend")
# Name -> hue, saturation, lightness, each 0..1.
COLOURS: dict[str, tuple[float, float, float]] = {
    "Sage": (0.31, 0.24, 0.56),
    "Terracotta": (0.04, 0.52, 0.56),
    "Indigo": (0.64, 0.4, 0.48),
    "Mustard": (0.12, 0.66, 0.55),
    "Blush": (0.97, 0.52, 0.72),
    "Teal": (0.49, 0.42, 0.42),
    "Plum": (0.85, 0.28, 0.46),
    "Sand": (0.1, 0.38, 0.68),
    "Slate": (0.59, 0.17, 0.5),
    "Coral": (0.02, 0.72, 0.65),
    "Forest": (0.39, 0.36, 0.37),
    "Sky": (0.56, 0.55, 0.65),
    "Lilac": (0.74, 0.4, 0.7),
    "Cocoa": (0.06, 0.32, 0.4),
    "Cherry": (0.98, 0.56, 0.49),
}

# Tastes cut across departments: tag: what shoppers of that taste look at, the dearest first.
_TASTE_TABLE = """
slow-morning: food/coffee home/kitchen/mugs home/kitchen/coffee-makers food/chocolate books/fiction
home-cook: home/kitchen/pans home/kitchen/knives books/cooking food/oils home/kitchen/bowls
baker: home/kitchen/bowls books/cooking food/preserves food/chocolate home/storage/baskets
host: home/kitchen/glasses home/living/candles party/decorations garden/lanterns food/oils
nordic-living: home/living/chairs home/living/lamps home/living/cushions home/living/clocks home/bed/throws
cosy-nest: home/bed/throws home/living/candles food/tea books/fiction home/living/cushions
urban-jungle: garden/plants garden/pots home/living/vases home/storage/baskets home/living/rugs
gardener: garden/tools garden/pots garden/bird-care fashion/shoes/boots garden/lanterns
new-parent: toys/plush toys/wooden books/children home/bed/bedding home/storage/baskets
game-night: toys/games toys/puzzles food/chocolate party/gifts electronics/audio/speakers
hiker: outdoor/tents outdoor/headlamps fashion/shoes/boots fashion/bags/backpacks sport/bottles
runner: fashion/shoes/sneakers sport/bottles electronics/audio/headphones outdoor/headlamps sport/yoga
yogi: sport/yoga home/living/candles food/tea beauty/bath/soaps beauty/scent/perfumes
commuter: cycling/helmets fashion/bags/backpacks electronics/power/chargers electronics/audio/headphones food/coffee
desk-worker: electronics/desk/keyboards stationery/notebooks stationery/pens home/living/lamps electronics/power/chargers
summer-style: fashion/women/dresses fashion/bags/totes fashion/shoes/sneakers beauty/scent/perfumes fashion/unisex/scarves
gentleman: fashion/men/shirts fashion/accessories/watches fashion/unisex/knitwear stationery/pens beauty/scent/perfumes
spa-day: beauty/skin/creams beauty/bath/soaps home/bath/towels home/living/candles home/bed/bedding
pet-friend: pets/dogs pets/cats home/living/rugs sport/balls home/living/cushions
gift-giver: party/gifts party/decorations fashion/unisex/scarves food/chocolate fashion/accessories/watches
bookworm: books/fiction books/children books/cooking home/living/lamps food/tea
family-weekend: sport/balls toys/puzzles books/children outdoor/tents cycling/helmets
"""  # noqa: E501 - a table reads best one row a line

TASTES: dict[str, tuple[str, ...]] = {
    tag: tuple(paths.split()) for tag, paths in (line.split(": ") for line in _TASTE_TABLE.strip().splitlines())
}
