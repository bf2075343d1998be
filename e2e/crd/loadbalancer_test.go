package crd

import "strings"

func loadBalancerAdmissions() map[string]admission {
	const one = "leastRequest roundRobin ringHash maglev random"
	tests := map[string]admission{
		"least request":    {spec: "loadBalancer: {leastRequest: {choiceCount: 3, slowStart: {window: 10s, aggression: '1.5', minWeightPercent: 10}}}"},
		"round robin":      {spec: "loadBalancer: {roundRobin: {slowStart: {window: 10s}}, closeConnectionsOnHostSetChange: true, updateMergeWindow: 0s}"},
		"ring hash":        {spec: "loadBalancer: {ringHash: {minimumRingSize: 0, maximumRingSize: 8388608, useHostnameForHashing: true}}"},
		"maglev":           {spec: "loadBalancer: {maglev: {useHostnameForHashing: true}}"},
		"random":           {spec: "loadBalancer: {random: {}}"},
		"by locality":      {spec: "loadBalancer: {random: {}, localityType: WeightedLb}"},
		"by zone":          {spec: "loadBalancer: {roundRobin: {}, zoneAware: {preferLocal: {minEndpointsThreshold: 1, routingEnabled: 0, force: {minEndpointsInZoneThreshold: 1}}}}"},
		"none":             {spec: "loadBalancer: {healthyPanicThreshold: 0}", want: []string{"spec.loadBalancer", one}},
		"two":              {spec: "loadBalancer: {random: {}, maglev: {}}", want: []string{one}},
		"another locality": {spec: "loadBalancer: {random: {}, localityType: Zone}", want: []string{"spec.loadBalancer.localityType", `"WeightedLb"`}},
		"zone without":     {spec: "loadBalancer: {random: {}, zoneAware: {}}", want: []string{"preferLocal", "Required"}},
		"zone, locality":   {spec: "loadBalancer: {random: {}, localityType: WeightedLb, zoneAware: {preferLocal: {}}}", want: []string{"zoneAware and localityType exclude each other"}},
		"zone, ring hash":  {spec: "loadBalancer: {ringHash: {}, zoneAware: {preferLocal: {}}}", want: []string{"zoneAware cannot be used with ringHash or maglev"}},
		"zone, maglev":     {spec: "loadBalancer: {maglev: {}, zoneAware: {preferLocal: {}}}", want: []string{"zoneAware cannot be used with ringHash or maglev"}},
		"zone of none":     {spec: "loadBalancer: {random: {}, zoneAware: {preferLocal: {minEndpointsThreshold: 0}}}", want: []string{"minEndpointsThreshold", "greater than or equal to 1"}},
		"force of none":    {spec: "loadBalancer: {random: {}, zoneAware: {preferLocal: {force: {minEndpointsInZoneThreshold: 0}}}}", want: []string{"minEndpointsInZoneThreshold", "greater than or equal to 1"}},
		"routing of 101":   {spec: "loadBalancer: {random: {}, zoneAware: {preferLocal: {routingEnabled: 101}}}", want: []string{"routingEnabled", "less than or equal to 100"}},
		"panic at 101":     {spec: "loadBalancer: {random: {}, healthyPanicThreshold: 101}", want: []string{"healthyPanicThreshold", "less than or equal to 100"}},
		"panic below 0":    {spec: "loadBalancer: {random: {}, healthyPanicThreshold: -1}", want: []string{"healthyPanicThreshold", "greater than or equal to 0"}},
		"ring below 0":     {spec: "loadBalancer: {ringHash: {minimumRingSize: -1}}", want: []string{"minimumRingSize", "greater than or equal to 0"}},
		"ring max below 0": {spec: "loadBalancer: {ringHash: {maximumRingSize: -1}}", want: []string{"maximumRingSize", "greater than or equal to 0"}},
		"weight of 101":    {spec: "loadBalancer: {roundRobin: {slowStart: {minWeightPercent: 101}}}", want: []string{"minWeightPercent", "less than or equal to 100"}},
		"moved":            {spec: "loadBalancer: {maglev: {}, useHostnameForHashing: true}", want: []string{"useHostnameForHashing has moved: use ringHash.useHostnameForHashing or maglev.useHostnameForHashing"}},
	}
	const number = "loadBalancer: {ringHash: {minimumRingSize: 9007199254740992}}"
	tests["a number that no float holds"] = admission{spec: number, want: []string{"minimumRingSize", "less than or equal to"}}
	tests["a number beyond int64"] = admission{spec: "loadBalancer: {ringHash: {maximumRingSize: 9999999999999999999999}}", want: []string{"maximumRingSize"}}
	tests["choices beyond int32"] = admission{spec: "loadBalancer: {leastRequest: {choiceCount: 2147483648}}", want: []string{"choiceCount", "less than or equal to"}}
	for _, good := range []string{"1", "0.1", "1.", ".5", "1e-3", "2E+2"} {
		tests["aggression "+good] = admission{spec: "loadBalancer: {roundRobin: {slowStart: {aggression: '" + good + "'}}}"}
	}
	for _, bad := range []string{"", "0", "0.0", "-1", "one", "1e999", "NaN", "Inf", "1,5", "."} {
		tests["aggression of "+bad] = admission{
			spec: "loadBalancer: {roundRobin: {slowStart: {aggression: '" + bad + "'}}}",
			want: []string{"spec.loadBalancer.roundRobin.slowStart.aggression"},
		}
	}
	tests["aggression says its form"] = admission{
		spec: "loadBalancer: {leastRequest: {slowStart: {aggression: x}}}", want: []string{"aggression must be a number above zero"},
	}
	return tests
}

func hashPolicyAdmissions() map[string]admission {
	const one = "exactly one of the fields in [header cookie sourceIP]"
	tests := map[string]admission{}
	for _, method := range []string{"ringHash", "maglev"} {
		in := func(policies string) string {
			return "loadBalancer: {" + method + ": {hashPolicies: [" + policies + "]}}"
		}
		path := "spec.loadBalancer." + method + ".hashPolicies"
		for name, test := range map[string]admission{
			"header":            {spec: in("{header: {name: x-user}, terminal: true}")},
			"cookie":            {spec: in("{cookie: {name: a, path: /, ttl: 1h, secure: true, httpOnly: true, sameSite: Strict}}")},
			"cookie Lax":        {spec: in("{cookie: {name: a, sameSite: Lax}}")},
			"cookie None":       {spec: in("{cookie: {name: a, sameSite: None}}")},
			"address":           {spec: in("{sourceIP: {}}")},
			"16":                {spec: in(strings.Repeat("{sourceIP: {}},", 16))},
			"17":                {spec: in(strings.Repeat("{sourceIP: {}},", 17)), want: []string{path, "at most 16 items"}},
			"an empty list":     {spec: in(""), want: []string{path, "at least 1 items"}},
			"nothing":           {spec: in("{terminal: true}"), want: []string{path + "[0]", one}},
			"two":               {spec: in("{sourceIP: {}, header: {name: a}}"), want: []string{one}},
			"header, no name":   {spec: in("{header: {}}"), want: []string{"header.name", "Required"}},
			"header, empty":     {spec: in("{header: {name: ''}}"), want: []string{"header.name", "at least 1 chars"}},
			"cookie, no name":   {spec: in("{cookie: {}}"), want: []string{"cookie.name", "Required"}},
			"cookie, empty":     {spec: in("{cookie: {name: ''}}"), want: []string{"cookie.name", "at least 1 chars"}},
			"cookie, same site": {spec: in("{cookie: {name: a, sameSite: lax}}"), want: []string{"cookie.sameSite", `"Lax"`}},
			"cookie, ttl":       {spec: in("{cookie: {name: a, ttl: 1.5h}}"), want: []string{"cookie.ttl"}},
		} {
			tests[method+" "+name] = test
		}
	}
	return tests
}
