/** Settings of the web process, all from its environment; docs/reference/settings.md explains each. */

export interface Settings {
  readonly gatewayUrl: string;
  /** Key of the storefront: it may recommend, report events and read the catalog. */
  readonly shopKey: string;
  /** Key of the console; empty where there is no console. */
  readonly adminKey: string;
  readonly password: string;
  readonly sessionSecret: string;
  /** Folder of what must survive a restart with everything else down; empty: nothing is kept. */
  readonly dataDir: string;
  readonly picturesDir: string;
  readonly shoppers: readonly Shopper[];
  /** How many proxies of ours stand before this process; what callers say of their address counts for nothing. */
  readonly proxies: number;
}

export interface Shopper {
  readonly id: string;
  readonly label: string;
}

const SHOPPERS_MAX = 12;

export function readSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const text = (name: string): string => environment[`EVERSHELF_WEB_${name}`]?.trim() ?? "";
  return {
    gatewayUrl: (text("GATEWAY_URL") || "http://127.0.0.1:8080").replace(/\/+$/, ""),
    shopKey: text("SHOP_KEY"),
    adminKey: text("ADMIN_KEY"),
    password: text("PASSWORD"),
    sessionSecret: text("SESSION_SECRET"),
    dataDir: text("DATA_DIR"),
    picturesDir: text("PICTURES_DIR"),
    shoppers: readShoppers(text("SHOPPERS")),
    proxies: Math.max(0, Math.trunc(Number(text("PROXIES")) || 0)),
  };
}

/** `user-1=household, user-2` as shoppers; the part behind `=` is shown beside the id. */
function readShoppers(list: string): Shopper[] {
  return list
    .split(",")
    .map((entry) => entry.trim().split("="))
    .flatMap(([id, label]) => (id ? [{ id, label: label ?? "" }] : []))
    .slice(0, SHOPPERS_MAX);
}
