from delayed.simple import Proxy
