/** The size of text, as servers measure it. */

const encoder = new TextEncoder();

/** How many bytes `text` takes as UTF-8. */
export const bytesOf = (text: string): number => encoder.encode(text).length;
