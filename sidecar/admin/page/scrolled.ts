// Lets the keyboard into what is wider or higher than its place, and past what is not.

export function reachScrolled(): void {
  for (const place of document.querySelectorAll<HTMLElement>('.scroll')) {
    const isCut = place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight
    if (isCut) place.tabIndex = 0
    else if (place !== document.activeElement) place.removeAttribute('tabindex')
  }
}
