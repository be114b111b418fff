/** An item's picture, or a drawn tile in a colour of its own where it has none. */

import { classNames } from "@/lib/class-names";
import type { Item } from "@/lib/server/gateway";

const HUES = 12;

export function Picture({ item, eager = false, className }: { item: Item; eager?: boolean; className?: string }) {
  const frame = classNames("aspect-square w-full rounded-lg bg-sunken object-cover", className);
  if (!item.image_url) return <DrawnTile item={item} className={frame} />;
  return (
    <img
      src={item.image_url}
      alt=""
      width={400}
      height={400}
      loading={eager ? "eager" : "lazy"}
      fetchPriority={eager ? "high" : "auto"}
      decoding="async"
      className={frame}
    />
  );
}

function DrawnTile({ item, className }: { item: Item; className: string }) {
  const name = item.title || item.item_id;
  const sum = [...item.item_id].reduce((total, sign) => (total * 31 + sign.charCodeAt(0)) % 997, 7);
  const hue = (sum % HUES) * (360 / HUES);
  return (
    <svg viewBox="0 0 400 400" aria-hidden="true" className={className}>
      <rect width="400" height="400" fill={`hsl(${hue} 30% 90%)`} />
      <path d={`M0 ${270 + (sum % 40)}q100-70 200 0t200 0v150H0z`} fill={`hsl(${hue} 32% 80%)`} />
      <circle cx="200" cy="185" r="82" fill={`hsl(${hue} 34% 62%)`} />
      <text x="200" y="212" textAnchor="middle" fontSize="76" fontWeight="600" fill="#fff" fontFamily="inherit">
        {[...name][0]?.toUpperCase()}
      </text>
    </svg>
  );
}
