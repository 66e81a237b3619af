// Runs before the first paint: a theme that was chosen must not flash the other one.
{
  const chosen = localStorage.getItem('localcloud.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
}
