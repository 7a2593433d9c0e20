'use strict';
(() => {
  // Asked for each time: a live page replaces them.
  const byId = (id) => document.getElementById(id);
  const rows = () => [...byId('table').tBodies];
  const texts = new WeakMap();
  const signs = { lt: '<', gt: '>', amp: '&', '#34': '"', '#39': "'" };
  const text = (body) => {
    if (!texts.has(body)) {
      const told = body.querySelector('noscript') ? body.textContent
        .replace(/<[^>]*>/g, ' ')
        .replace(/&(lt|gt|amp|#34|#39);/g, (_, name) => signs[name]) : body.textContent;
      texts.set(body, told.toLowerCase());
    }
    return texts.get(body);
  };
  let status = 'all';

  function filter() {
    const words = byId('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = rows();
    let count = 0;
    for (const body of all) {
      const fits = (status === 'all' || body.dataset.status === status)
        && words.every((word) => text(body).includes(word));
      if (body.hidden === fits) body.hidden = !fits;
      count += fits;
    }
    byId('shown').textContent = `${count} of ${all.length}`;
    byId('nothing').hidden = count > 0;
  }

  function value(body, key) {
    const cell = body.rows[0].querySelector('.' + key);
    const told = cell.dataset.v ?? cell.textContent;
    return told === '' || Number.isNaN(Number(told)) ? told : Number(told);
  }

  // What has no value comes last in either direction.
  function compare(a, b, sign) {
    if (a === '' || b === '') return (a === '') - (b === '');
    if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
    return sign * String(a).localeCompare(String(b));
  }

  function sort(button) {
    const header = button.closest('th');
    const down = header.ariaSort === 'ascending';
    for (const other of byId('table').querySelectorAll('th')) other.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const keyed = rows().map((body) => [value(body, button.dataset.key), body]);
    keyed.sort((a, b) => compare(a[0], b[0], down ? -1 : 1));
    const sorted = document.createDocumentFragment();
    sorted.append(...keyed.map((pair) => pair[1]));
    byId('table').append(sorted);
  }

  // Puts one row where it belongs; to move the others would take the focus from them.
  function place(body) {
    const header = byId('table').querySelector('th[aria-sort]');
    const { key } = header.querySelector('.sort').dataset;
    const sign = header.ariaSort === 'descending' ? -1 : 1;
    const own = value(body, key);
    const next = rows().find((other) => other !== body
      && compare(own, value(other, key), sign) < 0);
    if (next) next.before(body);
    else byId('table').append(body);
  }

  // Where scripts run, <noscript> holds text: a thousand changes cost nothing until one is opened.
  function fill(body) {
    const held = body.querySelector('noscript');
    if (!held) return;
    const parsed = new DOMParser().parseFromString(held.textContent, 'text/html');
    held.replaceWith(parsed.querySelector('details > div'));
  }

  function open(body, wanted) {
    fill(body);
    body.classList.toggle('shown', wanted);
    body.querySelector('.open').setAttribute('aria-expanded', String(wanted));
  }

  function follow() {
    const body = byId(location.hash.slice(1));
    if (!body || body.tagName !== 'TBODY') return;
    body.hidden = false;
    open(body, true);
    body.scrollIntoView({ block: 'start' });
    body.querySelector('.open').focus({ preventScroll: true });
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button?.matches('.sort')) sort(button);
    if (button?.matches('.filter')) {
      status = button.dataset.status;
      begin();
    }
    const row = event.target.closest('#table tr.row');
    if (row && !getSelection().toString()) {
      open(row.parentElement, !row.parentElement.classList.contains('shown'));
    }
  });

  function begin() {
    if (!byId('table')) return;
    document.querySelector('.controls').hidden = false;
    for (const button of document.querySelectorAll('.filter')) {
      const own = button.dataset.status;
      const count = rows().filter((body) => own === 'all' || body.dataset.status === own).length;
      button.textContent = `${own} ${count}`;
      button.hidden = !count && own !== 'all' && own !== status;
      button.setAttribute('aria-pressed', String(own === status));
    }
    filter();
  }

  document.addEventListener('input', (event) => {
    if (event.target.id === 'search') filter();
  });
  // A live page has new rows; those that were open are marked so.
  document.addEventListener('rows', (event) => {
    for (const body of event.detail) {
      if (body.classList.contains('shown')) open(body, true);
      place(body);
    }
    begin();
  });
  addEventListener('hashchange', follow);
  begin();
  follow();
})();
