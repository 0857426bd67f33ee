// The texts and borders of a page that are too faint (WCAG 2.2, 1.4.3 and 1.4.11).
(() => {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).map((it) => it / 255).map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const paper = (element) => {
    for (let it = element; it !== null; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      const alpha = channels(colour)[3] ?? 1;
      if (alpha === 1) return colour;
      if (alpha !== 0) throw new Error(`a translucent background: ${colour}`);
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  let seen = 0;
  const look = (element, what, colour, behind, least) => {
    seen += 1;
    const found = ratio(colour, behind);
    if (found < least) faint.push(`${what} of ${element.tagName}.${element.className}#${element.id}: ${found.toFixed(2)}`);
  };
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    if (style.opacity !== "1") faint.push(`opacity of ${element.tagName}.${element.className}`);
    const isText = [...element.childNodes].some((it) => it.nodeType === Node.TEXT_NODE && it.data.trim() !== "");
    const size = Number.parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (isText) look(element, "text", style.color, paper(element), least);
    for (const part of ["::before", "::after"]) {
      const made = getComputedStyle(element, part);
      if (/[^"\s]/.test(made.content) && made.content !== "none" && made.content !== "normal") look(element, part, made.color, paper(element), 4.5);
    }
    if (element.matches("input:not([type=radio]), textarea, button")) {
      look(element, "border", style.borderTopColor, paper(element.parentElement), 3);
      if (element.placeholder) look(element, "placeholder", getComputedStyle(element, "::placeholder").color, paper(element), 4.5);
    }
  }
  return { seen, faint };
})()
