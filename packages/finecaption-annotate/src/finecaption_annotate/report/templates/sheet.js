for (const item of document.querySelectorAll('.item')) {
  const mark = (n) => {
    item.classList.toggle('focus', n !== null);
    for (const g of item.querySelectorAll('g.region'))
      g.classList.toggle('on', g.dataset.region === n);
  };
  for (const part of item.querySelectorAll('.said[data-region]')) {
    part.addEventListener('mouseenter', () => mark(part.dataset.region));
    part.addEventListener('mouseleave', () => mark(null));
  }
}
