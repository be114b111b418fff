import { expect, test } from "vitest";
import { addLine, countItems, LINES_MAX, parseCart, QUANTITY_MAX, setQuantity, writeCart, type CartLine } from "@/lib/cart";

const line = (itemId: string, quantity = 1): CartLine => ({ itemId, quantity, recommendationId: null, placement: null });

test("a cart survives its cookie", () => {
  const cart = [line("mug-0001", 2), { ...line("lamp-0002"), recommendationId: "r", placement: "home" }];
  expect(parseCart(writeCart(cart))).toEqual(cart);
});

test.each(["", "{", "[1,2]", '[["mug",0]]', '[["mug","2"]]', '[["mug",1e9]]', "null"])("what is no cart is an empty one: %s", (text) => {
  expect(parseCart(text)).toEqual([]);
});

test("the same item twice is one line", () => {
  expect(addLine([line("mug")], line("mug"))).toEqual([line("mug", 2)]);
});

test("lines and quantities have limits", () => {
  const many = Array.from({ length: LINES_MAX + 5 }, (_, place) => line(`item-${place}`)).reduce<CartLine[]>((cart, next) => addLine(cart, next), []);
  expect(many).toHaveLength(LINES_MAX);
  expect(countItems(setQuantity([line("mug")], "mug", 1_000))).toBe(QUANTITY_MAX);
});

test.each([0, -1, Number.NaN])("a quantity of %d removes the line", (quantity) => {
  expect(setQuantity([line("mug")], "mug", quantity)).toEqual([]);
});
