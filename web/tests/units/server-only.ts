/** Stands where Next would refuse a server's module in a browser's bundle. */

export {};
