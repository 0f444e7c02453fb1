// The address that `trader dashboard` prints carries the token behind the #, which browsers never send.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = token;
  document.querySelector("form").submit();
}
