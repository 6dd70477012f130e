// A field on which a file is dropped, or from which one is chosen; it is sent to `address`.
(element, address, most, refused) => {
  const input = element.querySelector('input'), words = element.querySelector('.drop-words');
  const asked = words.textContent;
  const send = async file => {
    if (!file) return;
    if (file.size > most) { refused(`${file.name} is larger than ${most >> 20} MB`); return; }
    words.textContent = `Sending ${file.name} ...`;
    const form = new FormData();
    form.append('file', file);
    try {
      const answer = await fetch(address, {method: 'POST', body: form});
      if (!answer.ok) refused(`${file.name}: ${await answer.text()}`);
    } catch (error) {
      refused(`${file.name} cannot be sent: ${error.message}`);
    }
    words.textContent = asked;
    input.value = '';
  };
  input.addEventListener('change', () => send(input.files[0]));
  send(input.files[0]); // a file that was chosen before this script ran
  for (const kind of ['dragenter', 'dragover'])
    element.addEventListener(kind, event => { event.preventDefault(); element.classList.add('over'); });
  for (const kind of ['dragleave', 'drop'])
    element.addEventListener(kind, () => element.classList.remove('over'));
  element.addEventListener('drop', event => { event.preventDefault(); send(event.dataTransfer.files[0]); });
}
