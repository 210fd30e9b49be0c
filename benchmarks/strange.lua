-- As unique.lua, but no line of a head ever comes again, except Host and Connection: what no client does.
local count = 0
local headers = {}
local steady = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  ["Accept-Language"] = "en-US,en;q=0.5",
  ["Accept-Encoding"] = "gzip, deflate, br",
  ["Referer"] = "http://shop.example.com/catalogue",
}
headers["Connection"] = "keep-alive"
request = function()
  count = count + 1
  for name, value in pairs(steady) do headers[name] = value .. count end
  headers["Cookie"] = "session=" .. count .. "a9f3; theme=dark"
  return wrk.format("GET", "/item/" .. count .. "?page=" .. count % 97, headers)
end
