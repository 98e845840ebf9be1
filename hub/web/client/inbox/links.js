/**
 * Which addresses a notification may lead to. Whoever can publish chooses `action_url`, so it is data, not code: only
 * web addresses, and only of the origins the page allows, if it names any.
 */

const SCHEMES = ["http:", "https:"];

/**
 * Resolve an address, or return null where it must not be followed.
 * @param {string | null | undefined} address
 * @param {{ base: string, origins?: string[] }} page `origins` empty: any web address
 * @returns {URL | null}
 */
export function safeLink(address, { base, origins = [] }) {
  if (!address || !URL.canParse(address, base)) return null;
  const url = new URL(address, base);
  if (!SCHEMES.includes(url.protocol) || url.username || url.password) return null;
  const allowed = origins.length === 0 || url.origin === new URL(base).origin || origins.includes(url.origin);
  return allowed ? url : null;
}

/**
 * Resolve a picture's address. Fetching one tells its server who reads what when, so by default only the page's own.
 * @param {string | null | undefined} address
 * @param {{ base: string, origins?: string[] }} page
 * @returns {URL | null}
 */
export function safeImage(address, { base, origins = [] }) {
  return safeLink(address, { base, origins: [new URL(base).origin, ...origins] });
}
