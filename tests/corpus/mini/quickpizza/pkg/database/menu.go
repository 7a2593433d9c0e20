package database

func Menu() []string { return []string{"margherita", "funghi"} }
