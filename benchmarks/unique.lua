-- Every request has a head of its own, as long as a browser's.
local count = 0
local headers = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  ["Accept-Language"] = "en-US,en;q=0.5",
  ["Accept-Encoding"] = "gzip, deflate, br",
  ["Connection"] = "keep-alive",
  ["Referer"] = "http://shop.example.com/catalogue",
}
request = function()
  count = count + 1
  headers["Cookie"] = "session=" .. count .. "a9f3; theme=dark"
  return wrk.format("GET", "/item/" .. count .. "?page=" .. count % 97, headers)
end
